"""Tests of single modules, in folders that mirror the layers. No process is started, but for a few."""
