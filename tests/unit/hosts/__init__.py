"""Tests of core.hosts: connections, facts, engines and what is installed on hosts."""
