"""The monthly statement: made, checked, handed to the utility inside its window, and kept for ever."""
