#!/usr/bin/env node
/** The `vmlaunch` command. */
import { command } from './command.ts';
import { processHost } from './host.ts';

// Who reads the output may leave early (`vmlaunch .. | head`): then there is nobody left to tell.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = await command(process.argv.slice(2), processHost());
