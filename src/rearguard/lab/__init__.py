"""The laboratory: simulated worlds, scenarios, replay and evaluation. The warning path never imports it."""
