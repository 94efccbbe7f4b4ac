"""Files that an installer writes: what is read from them, where it stands, and what is wrong with it.

The main file, ``conf.d``, models of meters, utility profiles and plans are all judged with these. Nothing here is
heavy: the daemon reads the models itself.
"""
