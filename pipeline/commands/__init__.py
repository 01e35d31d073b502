"""One file per subcommand of `marquee`: `add_parser(subparsers)` and `run(args) -> exit code`."""
