/** What a file of tests plays on: a program, a browser, and tabs that are closed and judged after each test. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';

import { Tab, launchBrowser } from './browser';
import { type Environment, Program } from './program';

export interface Stage {
  readonly program: Program;
  /** Opens a tab of a new session at this path. */
  open: (path: string, options?: BrowserContextOptions) => Promise<Page>;
  /** Says that this is to go wrong in a tab of the running test. */
  expects: (fault: RegExp) => void;
}

/** To be called once, at the top of a file. */
export function setStage(environment: Environment = {}): Stage {
  let program: Program | undefined;
  let browser: Browser | undefined;
  let tabs: Tab[] = [];
  let expected: RegExp[] = [];

  beforeAll(async () => {
    [program, browser] = await Promise.all([Program.start(environment), launchBrowser()]);
  });
  afterEach(async () => {
    const faults = tabs.flatMap((tab) => tab.faults());
    const closing = tabs;
    [tabs, expected] = [[], []];
    await Promise.all(closing.map((tab) => tab.close()));
    expect(faults, 'what went wrong in the pages').toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    try {
      await program?.stop();
    } finally {
      program?.forget();
    }
  });

  const started = (): Program => {
    if (program === undefined) {
      throw new Error('The program has not been started');
    }
    return program;
  };
  return {
    get program() {
      return started();
    },
    open: async (path, options = {}) => {
      if (browser === undefined) {
        throw new Error('The browser has not been started');
      }
      const tab = await Tab.open(browser, { baseURL: started().url, ...options });
      expected.forEach((fault) => {
        tab.expects(fault);
      });
      tabs.push(tab);
      await tab.page.goto(path);
      return tab.page;
    },
    expects: (fault) => {
      expected.push(fault);
      tabs.forEach((tab) => {
        tab.expects(fault);
      });
    },
  };
}
