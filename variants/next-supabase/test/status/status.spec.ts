import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, launch, type Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { newAdmin } from '../support/admin';
import { call, newProject, newUser, type TestUser } from '../support/api';

const INSTALLED = [
  ...['chromium', 'google-chrome', 'chrome'].flatMap((name) =>
    (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name)),
  ),
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];
const executablePath = process.env.CHROMIUM_PATH ?? INSTALLED.find(existsSync);

// Without a browser there is nothing to test with: Chromium is in no package that npm installs for all platforms.
describe.skipIf(executablePath === undefined)('the status page in a browser', () => {
  let browser: Browser;
  let page: Page;
  let faults: string[];
  let admin: TestUser;

  beforeAll(async () => {
    // Chromium's own sandbox needs what containers and root do not have; it is shown nothing but this service.
    browser = await launch({ executablePath, args: ['--no-sandbox'] });
    admin = await newAdmin();
  });
  afterAll(async () => {
    await browser?.close();
  });
  beforeEach(async () => {
    faults = [];
    page = await browser.newPage();
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    await page.goto(`${inject('url')}/status`);
  });
  afterEach(async () => {
    await page.close();
  });

  async function signIn({ email, password }: { email: string; password: string }): Promise<void> {
    await page.type('input[name=email]', email);
    await page.type('input[name=password]', password);
    await page.click('button[type=submit]');
  }

  const points = () =>
    page.$eval('polyline', (line) =>
      (line.getAttribute('points') ?? '').split(' ').filter(Boolean).join(' '),
    );

  it('shows the metrics to an administrator, and again as they change', async () => {
    const project = await newProject(admin);
    for (let index = 0; index < 30; index++) {
      await call('GET', `/api/v1/projects/${project.id}`, { token: admin.token });
    }
    await signIn(admin);
    await page.waitForSelector('polyline');
    const text = await page.$eval('main', (main) => (main as HTMLElement).innerText);
    for (const words of ['Throughput', 'P95', 'Active', 'Idle', 'Waiting', 'Integrations']) {
      expect(text).toContain(words);
    }
    const before = await points();
    await expect.poll(points, { timeout: 10_000 }).not.toBe(before);
    if (process.env.STATUS_SCREENSHOT) {
      await page.setViewport({ width: 900, height: 760 });
      await page.screenshot({ path: process.env.STATUS_SCREENSHOT });
    }
    expect(faults).toEqual([]);
  });

  it('says why it shows nothing to anybody else', async () => {
    await signIn(await newUser());
    await page.waitForSelector('[role=alert]');
    expect(await page.$eval('[role=alert]', (alert) => alert.textContent)).toContain('administrator');
    expect(await page.$('polyline')).toBeNull();
  });

  it('says that the password was wrong', async () => {
    await signIn({ ...admin, password: 'not the password' });
    await page.waitForSelector('[role=alert]');
    expect(await page.$eval('[role=alert]', (alert) => alert.textContent)).toContain('password is not right');
  });
});
