"""`tinygan bench`: what operations and training steps cost, beside what the machine could do."""
