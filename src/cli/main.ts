#!/usr/bin/env node
/** The `vmlaunch` command. */
import { setDefaultSource } from '../core/package-source.ts';
import { readCore } from '../entries/read-core.ts';
import { command } from './command.ts';
import { processHost } from './process.ts';

setDefaultSource(readCore);
process.exitCode = await command(process.argv.slice(2), processHost());
