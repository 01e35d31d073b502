"""Stand-in for the module that tfx-bsl 1.21 removed and TFDV 1.16.1 still imports.

TFDV uses it only for SQL slicing of statistics, which Marquee does not use.
Installed next to tfx-bsl, so that every process that imports
tensorflow_data_validation works, Beam's workers included.
"""


def __getattr__(name):
    raise AttributeError(
        f"tfx_bsl.arrow.sql_util.{name}: tfx-bsl 1.21 removed SQL slicing; "
        "use feature or slicing-function slices in TFDV instead."
    )
