#!/usr/bin/env bun
// @ts-check
/** Fails if the journal lacks a migration, which then would never be applied, or if the snapshots are not one chain. */
import process from 'node:process';
import { describeFaults, findFaults } from './migrations.mjs';

const faults = findFaults();
if (faults.length > 0) {
  process.stderr.write(describeFaults(faults));
  process.exit(1);
}
