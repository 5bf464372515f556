/** Getting in and out, and where one is led. */
import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';

import { enterCredentials, logIn } from './acts';
import { registered } from './owner';
import { setStage } from './stage';

const stage = setStage({ ATOMIK_AUTH__REGISTRATION: 'open' });

beforeAll(async () => {
  await registered(stage.program.url);
});

function pathOf(page: Page): string {
  const { pathname, search } = new URL(page.url());
  return pathname + search;
}

test('a link into the pages leads there through signing in', async () => {
  const page = await stage.open('/orders?symbol=NQ&sort=oldest');
  await enterCredentials(page, 'Log in');
  await page.getByRole('heading', { name: 'Orders', level: 1 }).waitFor();
  expect(pathOf(page)).toBe('/orders?symbol=NQ&sort=oldest');
  expect(await page.getByRole('textbox', { name: 'Symbol' }).inputValue()).toBe('NQ');
});

test('a link to somewhere else leads to the overview', async () => {
  const page = await stage.open('/sign-in?to=%2F%2Felsewhere.example');
  await logIn(page);
  expect(pathOf(page)).toBe('/');
});

test('who could not be logged out is told so, and stays', async () => {
  const page = await stage.open('/sign-in');
  await logIn(page);
  stage.expects(/ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED/);
  await page.context().setOffline(true);
  await page.getByRole('button', { name: /^Signed in as/ }).click();
  await page.getByRole('menuitem', { name: 'Log out' }).click();
  await page.getByRole('alert').getByText(/^Still logged in: The program cannot be reached/).waitFor();
  expect(pathOf(page)).toBe('/');

  await page.context().setOffline(false);
  await page.getByRole('menuitem', { name: 'Log out' }).click();
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  await page.goto('/orders');
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
});

test('a page goes on writing after another tab has logged in anew', async () => {
  const page = await stage.open('/sign-in');
  await logIn(page);
  await page.goto('/webhooks');
  await page.getByRole('button', { name: 'Create New Webhook' }).click();
  const form = page.getByRole('dialog');
  await form.getByRole('textbox', { name: 'Name' }).fill('Made after it');

  const other = await page.context().newPage();
  await other.goto('/sign-in');
  await logIn(other);
  // The first try has the token of the session before.
  stage.expects(/status of 403 .*\/webhooks$/);
  await form.getByRole('button', { name: 'Save' }).click();
  await form.getByRole('textbox', { name: 'Secret' }).waitFor();
});

test('whose plan has no webhook is told so at the start', async () => {
  const page = await stage.open('/sign-in');
  await page.getByRole('button', { name: 'Register' }).click();
  await page.getByRole('heading', { name: 'Register' }).waitFor();
  await enterCredentials(page, 'Register', { email: 'free@example.com', password: 'battery staple horse' });
  await page.getByRole('alert').getByText('The plan “free” has no webhook').waitFor();
  await page.getByText('An administrator of this installation gives you another plan').waitFor();
  expect(await page.getByRole('button', { name: 'Make the paper account' }).count()).toBe(0);
});
