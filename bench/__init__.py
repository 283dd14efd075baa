"""Benchmarks, each beside its baseline in the same run. They print ratios: machines are noisy, seconds mean little."""
