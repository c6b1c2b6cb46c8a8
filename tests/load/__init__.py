"""Web load on a real installation that trains: RELIABILITY.md's "Load". `python -m bench.bench_load` measures it all."""
