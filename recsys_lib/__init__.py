"""recsys_lib: the small library behind the book *Across Scenes*.

A recommendation is ``R = f(P, I, S, L)``: the profile of a person P, the attributes of an item I, information about
the scene S and a pretrained language model L. There is a room for each letter; start with :mod:`recsys_lib.data`.
"""

__version__ = "0.1.0"
