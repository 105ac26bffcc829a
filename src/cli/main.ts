#!/usr/bin/env node
/** The `vmlaunch` command. */
import { command } from './command.ts';
import { processHost } from './process.ts';

process.exitCode = await command(process.argv.slice(2), processHost());
