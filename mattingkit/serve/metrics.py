"""What ``GET /metrics`` tells, in Prometheus's text format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]


class Metrics:
    """Counters of one server. Labels are routes and statuses, never what a request says: their number is bounded."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "mattingkit_"
        self.requests = Counter(
            f"{name}requests", "Answers sent.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            f"{name}request_seconds",
            "From the first byte of a request to the last of its answer.",
            ["route"],
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
            registry=self.registry,
        )
        self.refused = Counter(f"{name}refused", "Requests answered 429, the house being full.", registry=self.registry)
        self.replaced = Counter(f"{name}workers_replaced", "Workers replaced.", ["reason"], registry=self.registry)
        self.inside = Gauge(
            f"{name}requests_inside", "Requests being read, waiting or running.", registry=self.registry
        )
        self.workers = Gauge(f"{name}workers", "Worker processes that are there.", registry=self.registry)
        self.worker_megabytes = Gauge(
            f"{name}workers_megabytes", "Memory the workers hold for themselves.", registry=self.registry
        )
        self.jobs = Gauge(f"{name}jobs", "Jobs that are kept.", registry=self.registry)

    def text(self) -> bytes:
        """Return all of it."""
        return generate_latest(self.registry)
