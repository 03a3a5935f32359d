"""Languages of the Java virtual machine: they import from one another, so they share one ``link``.

Of a file's :class:`builder.structure.languages.Import` entries those of kind ``import`` are import
declarations: ``module`` is the name as written, ``name`` is ``*`` where it is on demand, or another name
that it gets, ``form`` is ``static`` where members of a type are meant. The others say what else a file tells.
A type is written as its path inside the file (``Outer.Inner``); one without a name, or inside a function, is
a number in such a path.

==============  =======================================================================================
``package``     ``module`` is the file's package
``type``        ``module`` is a type that the file declares
``extends``     the type ``module`` has a supertype called ``name``
``use``         inside the type ``module`` the file uses ``name``, dotted: a type, perhaps with members
``value``       the same, where something at Kotlin's top level may be meant as well
``signature``   the type ``module`` has the member ``name``, of Java, with the types in ``form``
``asked``       inside the type ``module`` the expression ``name`` asks values for members
``callable``    ``module`` is a function or property at Kotlin's top level, an extension of ``name``
``member``      the type ``module`` has a function or property called ``name``; of Kotlin only
``called``      ``module`` is asked of a value: a member of its type, or an extension
``facade``      ``module`` is the class that Java sees for the top level of a Kotlin file
==============  =======================================================================================

A declaration that is private to its file has the ``form`` ``private``, one that Kotlin expects of each
platform ``expect``.
"""
