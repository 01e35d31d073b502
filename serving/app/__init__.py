"""The application: an API (and a page) over a model server, with people and events of its own.

Runs where neither TensorFlow nor TFX nor Beam is installed (extra `app`). Layers, each importing
only what is below it:

  api, page   HTTP: routes, templates
  services    what can be asked, typed; no HTTP in it
  link        the model server: which version answers, its files, calls with a deadline and a breaker
  catalogue   one version's items in memory: lookup, filters, search
  store       people, events, keys, experiments in SQLite or PostgreSQL
  edge        around every request: limits, headers, logs, metrics, traces
"""
