/**
 * A headless Chromium for tests: the system's, driven through playwright-core, which downloads none. Where it is
 * missing it is installed from Debian's packages, and where that cannot be done the test fails and says so.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function find(): string | undefined {
  return [process.env.CHROMIUM, ...PLACES].find((place) => place !== undefined && existsSync(place));
}

function install(): void {
  const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
  execFileSync('apt-get', ['update', '-qq'], options);
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], options);
}

/** Starts Chromium. Throws where there is none and none can be installed. */
export async function launchChromium(): Promise<Browser> {
  if (!find()) {
    try {
      install();
    } catch (error) {
      const how = 'install the package chromium, or set CHROMIUM to the path of a Chromium';
      throw new Error(`no Chromium at ${PLACES.join(', ')}, and apt-get could not install one: ${how}`, {
        cause: error,
      });
    }
  }
  return chromium.launch({ executablePath: find(), headless: true, args: FLAGS });
}
