"""The programs: what `keras-infomax train`, `keras-infomax export`, ... do.

Each module is one command: its docstring is the command's help, `FLAGS` its flags,
`POSITIONAL` what it takes without a flag, `READS` those that name what must be there,
and `main` one call of the library. `command` runs them by name; `trainers` and
`export`, in a checkout, run them by `python -m`.

To be asked for help in no time, these modules import the library by name alone, as
`kim.training.train`: it is loaded when a program runs; see `running.run`.
"""
