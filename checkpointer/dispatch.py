"""The code that operations on traced arrays and numbers run, among it all derivative rules: loaded with the first tape.

The classes need these modules, and these modules need the classes. So neither imports the other by itself: a `Tape`
imports this module, and this module gives `checkpointer.arrays` what it dispatches to. A program that differentiates
nothing never loads the rules.
"""

from checkpointer import arrays, boxes, functions, indexing, scalars, ufuncs

vars(arrays).update(boxes=boxes, functions=functions, indexing=indexing, scalars=scalars, ufuncs=ufuncs)
