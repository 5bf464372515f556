/** What a trader does in the pages, step by step. */
import type { Locator, Page } from 'playwright-core';

import { CREDENTIALS } from './owner';

export async function enterCredentials(page: Page, button: string, credentials = CREDENTIALS): Promise<void> {
  await page.getByRole('textbox', { name: 'Email' }).fill(credentials.email);
  await page.getByLabel(/^Password/).fill(credentials.password);
  await page.getByRole('button', { name: button, exact: true }).and(page.locator('[type=submit]')).click();
}

/** At an installation that nobody uses yet, which offers it by itself. Ends on the first run's page. */
export async function register(page: Page): Promise<void> {
  await page.getByRole('heading', { name: 'Register' }).waitFor();
  await enterCredentials(page, 'Register');
  await page.waitForURL('**/start');
}

/** On the sign-in page itself. Ends on the overview. */
export async function logIn(page: Page): Promise<void> {
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  await enterCredentials(page, 'Log in');
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
}

/** Through the navigation beside the page, as the guide says it. */
export async function navigate(page: Page, to: string): Promise<void> {
  const menu = page.getByRole('button', { name: 'Menu' });
  if (await menu.isVisible()) {
    await menu.click();
  }
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: to, exact: true }).click();
}

/** The text in a field that is there to be copied. */
export function shown(page: Page, label: string): Promise<string> {
  return page.getByRole('textbox', { name: label, exact: true }).inputValue();
}

/** Until it says that what is shown moves by itself. */
export async function live(page: Page): Promise<void> {
  await page.getByRole('status').filter({ hasText: /^Live$/ }).waitFor();
}

/** The rows of a webhook's Logs, on its page. */
export function logs(page: Page): Locator {
  return page.getByRole('table', { name: /^Logs of/ }).locator('tbody').getByRole('row');
}

/** The rows of a webhook's logs that were answered with this status. A date may have the same digits. */
export function answered(page: Page, status: number): Locator {
  return logs(page).filter({ has: page.getByRole('cell', { name: String(status), exact: true }) });
}
