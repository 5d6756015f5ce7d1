"""The programs: what `keras-infomax train`, `keras-infomax export`, ... do.

Each module is one command: its docstring is the command's help, `FLAGS` its flags,
`POSITIONAL` what it takes without a flag, `READS` and `WRITES` those that name what is
read and written, and what these must be (see `mistakes`), `KEYS` the keys of its config
where these are not `Settings`, and `main` one call of the library. `command` runs them
by name; `trainers` and `export`, in a checkout, run them by `python -m`.

To be asked for help in no time, these modules import the library by name alone, as
`kim.training.train`: it is loaded when a program runs; see `running.run`.
"""
