/** The system's browser, and tabs in it that notice all that goes wrong in them: what breaks the page's policy is an error too. */
import { type Browser, type BrowserContextOptions, type Page, chromium } from 'playwright-core';

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ARGUMENTS });
}

/** The browser reports each refusal of the API as an error of the page; asking who is signed in is refused by design. */
const SIGNED_OUT = /status of 401 .*\/api\/v1\/me$/;

export class Tab {
  private readonly seen: string[] = [];
  private readonly expected: RegExp[] = [SIGNED_OUT];

  private constructor(readonly page: Page) {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') {
        this.seen.push(`${message.text()} ${message.location().url}`);
      }
    });
    page.on('pageerror', (error) => {
      this.seen.push(`uncaught: ${error.stack ?? error.message}`);
    });
    page.on('crash', () => {
      this.seen.push('the page crashed');
    });
  }

  /** A tab of its own session. */
  static async open(browser: Browser, options: BrowserContextOptions): Promise<Tab> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-US', ...options });
    context.setDefaultTimeout(15_000);
    return new Tab(await context.newPage());
  }

  /** What goes wrong in this test because it is made to: the words of the browser and the address, of which this is part. */
  expects(fault: RegExp): void {
    this.expected.push(fault);
  }

  /** What went wrong and was not expected. */
  faults(): readonly string[] {
    return this.seen.filter((fault) => !this.expected.some((pattern) => pattern.test(fault)));
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}
