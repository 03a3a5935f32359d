"""Languages of the Java virtual machine: they import from one another, so they share one ``link``.

Of a file's :class:`builder.structure.languages.Import` entries those of kind ``import`` are import
declarations: ``module`` is the name as written, ``name`` is ``*`` where it is on demand, or another name that
it gets, ``form`` is ``static`` where members of a type are meant. The others say what else a file tells.
A type is written as its path inside the file (``Outer.Inner``); one without a name, or inside a function, is a
number in such a path.

==============  =======================================================================================
``package``     ``module`` is the file's package
``type``        ``module`` is a type that the file declares
``extends``     the type ``module`` has a supertype called ``name``
``use``         inside the type ``module`` the file uses ``name``, dotted: a type, perhaps with members
==============  =======================================================================================
"""
