"""The proving ground: named scenarios, thousands of runs, an honest pass table."""
