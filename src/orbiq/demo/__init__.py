"""The demo: made-up airport scenes, a stranger's detector, an experiment file."""
