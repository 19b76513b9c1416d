#!/usr/bin/env python3
"""The device that the environment names comes to the bits that every device of its shape should, whatever its arithmetic lacks.

usage: test_same_bits.py CLGRAD_INFO
"""
import json
import subprocess
import sys

done = subprocess.run([sys.argv[1], "--json"], capture_output=True, text=True, check=False)
chosen = next((device for device in json.loads(done.stdout or '{"devices": []}')["devices"] if device["chosen"]), None)
bits = chosen and chosen["bits"]
if not bits:
    sys.exit(done.stderr or done.stdout)
print(f"{chosen['name']}, {chosen['shape']} shape: {bits['arithmetic'] or 'nothing wrong with its arithmetic'}")
for group, number in bits["hashes"].items():
    print(f"  {group} {number}")
if not bits["reference"]:
    sys.exit(f"others than the reference's: {bits['differ']}")
