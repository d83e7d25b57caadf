"""Many photographs: batches, benchmarks over a folder, and the journal and workers that both share."""
