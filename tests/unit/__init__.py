"""Tests of single modules, in folders that mirror the layers. Only a few start a process."""
