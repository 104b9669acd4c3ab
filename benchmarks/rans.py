"""Speed and size of orbiq's entropy coder, beside constriction's where that is installed.

    python benchmarks/rans.py [--symbols 2000000] [--passes 5]

Symbols are rounded Gaussians; each one's scale is one of 64, log-spaced from 0.11 to 256, drawn so that most symbols
are 0 (table k with a weight of e^(−k/12)), or evenly. constriction (pip install constriction==0.5.0) codes the same
symbols with its ANS coder and quantised Gaussians, a mean and a scale given for every symbol. Prints Msym/s, the best
of the passes, each pass running all coders in turn, and bytes over the ideal length, for each of the two mixtures.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from orbiq.codecs import rans

SCALES = np.geomspace(0.11, 256, 64)
Array = npt.NDArray[Any]
Coder = tuple[Callable[[], Any], Callable[[Any], Array], Callable[[Any], int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=2_000_000)
    parser.add_argument("--passes", type=int, default=5)
    args = parser.parse_args()
    if not importlib.util.find_spec("constriction"):
        print("constriction is not installed, so that orbiq's coder stands alone.")
    for name, decay in (("mostly zeros", 12.0), ("all scales alike", np.inf)):
        measure(name, decay, n=args.symbols, passes=args.passes)


def measure(name: str, decay: float, *, n: int, passes: int) -> None:
    rng = np.random.default_rng(7)
    weights = np.exp(-np.arange(64) / decay)
    which = rng.choice(64, n, p=weights / weights.sum()).astype(np.uint8)
    symbols = np.rint(rng.normal(size=n) * SCALES[which]).astype(np.int32)
    tables = rans.gaussian_tables(SCALES.tolist())
    ideal = rans.code_length_bits(symbols, which, tables)
    print(f"{name}: {n} symbols, {(symbols == 0).mean():.0%} zeros, {ideal / n:.3f} bit/symbol, {ideal / 8:.0f} bytes")
    coders = {"orbiq": own(symbols, which, tables)}
    if importlib.util.find_spec("constriction"):
        coders["constriction"] = constrictions(symbols, which)
    best = dict.fromkeys(coders, (np.inf, np.inf))
    for _ in range(passes):
        for coder, calls in coders.items():
            seconds = timed(symbols, *calls)
            best[coder] = (min(best[coder][0], seconds[0]), min(best[coder][1], seconds[1]))
    for coder, (encoding, decoding) in best.items():
        encode, _, size = coders[coder]
        rates = f"encodes {n / encoding / 1e6:.1f}, decodes {n / decoding / 1e6:.1f} Msym/s"
        print(f"  {coder}: {rates}, {size(encode()) - ideal / 8:+.0f} bytes over the ideal")
    start = time.perf_counter()
    rans.code_length_bits(symbols, which, tables)
    print(f"  orbiq's code_length_bits: {n / (time.perf_counter() - start) / 1e6:.1f} Msym/s")
    if "constriction" in best:
        print(f"  orbiq decodes {best['constriction'][1] / best['orbiq'][1]:.1f} × as fast")


def timed(symbols: Array, encode: Callable[[], Any], decode: Callable[[Any], Array], _: Any) -> tuple[float, float]:
    start = time.perf_counter()
    stream = encode()
    middle = time.perf_counter()
    back = decode(stream)
    end = time.perf_counter()
    if not np.array_equal(back, symbols):
        raise RuntimeError
    return middle - start, end - middle


def own(symbols: Array, which: Array, tables: rans.Tables) -> Coder:
    return (
        lambda: rans.encode(symbols, which, tables),
        lambda stream: rans.decode(stream, which, tables),
        len,
    )


def constrictions(symbols: Array, which: Array) -> Coder:
    import constriction

    model = constriction.stream.model.QuantizedGaussian(-2_000, 2_000)
    means, scales = np.zeros(len(symbols)), SCALES[which]

    def encode() -> Array:
        coder = constriction.stream.stack.AnsCoder()
        coder.encode_reverse(symbols, model, means, scales)
        return np.asarray(coder.get_compressed())

    def decode(words: Array) -> Array:
        return np.asarray(constriction.stream.stack.AnsCoder(words).decode(model, means, scales))

    return encode, decode, lambda words: 4 * len(words)


if __name__ == "__main__":
    main()
