/** The setup guide, read aloud and followed: every step is a step of it. */
import { expect, test } from 'vitest';

import { answered, live, logIn, logs, navigate, shown } from './acts';
import { sendAlert } from './alerts';
import { registered } from './owner';
import { setStage } from './stage';

const stage = setStage();

test('the guide is true word for word', { timeout: 120_000 }, async () => {
  await registered(stage.program.url);

  // "Log in to your Atomik Trading dashboard. Navigate to Webhooks in the sidebar. Click Create New Webhook."
  const page = await stage.open('/');
  await logIn(page);
  await navigate(page, 'Webhooks');
  await page.getByRole('button', { name: 'Create New Webhook' }).click();

  // "Configure settings: Name, Description. Click Save, you'll receive: a webhook token, a secret key."
  const form = page.getByRole('dialog');
  await form.getByRole('textbox', { name: 'Name' }).fill('ES Long Entry');
  await form.getByRole('textbox', { name: 'Description' }).fill('Opens a long position on the hour');
  await form.getByRole('button', { name: 'Save' }).click();
  await form.getByText('not shown again').waitFor();
  const [token, secret, url] = await Promise.all(['Token', 'Secret', 'Webhook URL'].map((label) => shown(page, label)));
  // "Your full webhook URL will be …/api/v1/webhooks/{your-token}?secret={your-secret-key}"
  expect(url).toBe(`${stage.program.url}/api/v1/webhooks/${token ?? ''}?secret=${secret ?? ''}`);
  const alert = (message: string) => sendAlert(url ?? '', message);
  await form.getByRole('button', { name: 'I have saved them' }).click();

  // "Paper trade first: Connect a paper/demo broker account"
  await navigate(page, 'Broker accounts');
  await page.getByRole('button', { name: 'Connect account' }).click();
  await form.getByRole('radio', { name: /paper/i }).first().check();
  await form.getByRole('textbox', { name: 'Label' }).fill('Paper');
  await form.getByRole('button', { name: 'Connect', exact: true }).click();
  await page.getByRole('heading', { name: 'Paper', level: 1 }).waitFor();
  await page.getByText('ready', { exact: true }).waitFor();

  // "Confirm the webhook is linked to an activated strategy with an active broker account."
  await navigate(page, 'Strategies');
  await page.getByRole('link', { name: 'New strategy' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('ES long');
  await page.getByRole('combobox', { name: 'Symbol' }).fill('ES');
  await page.keyboard.press('Escape');
  await page.getByRole('textbox', { name: 'Quantity' }).fill('4');
  expect(await page.getByRole('switch', { name: 'Active' }).isChecked()).toBe(true);
  await page.getByRole('button', { name: 'Create strategy' }).click();
  await page.getByRole('heading', { name: 'ES long', level: 1 }).waitFor();

  // "After triggering an alert, go to Webhooks → your webhook → Logs to see incoming requests"
  await navigate(page, 'Webhooks');
  await page.getByRole('link', { name: 'ES Long Entry' }).click();
  await page.getByRole('tab', { name: 'Logs' }).click();
  await live(page);
  const elsewhere = await stage.open('/sign-in');
  await logIn(elsewhere);
  await navigate(elsewhere, 'Trades');
  await live(elsewhere);
  const fills = elsewhere.getByRole('table', { name: 'Trades' }).getByRole('row').filter({ hasText: 'ES' });

  // "Open a long position"; "Successful webhook requests return 202 Accepted"
  const bought = await alert('{"action": "BUY"}');
  expect(bought.status).toBe(202);
  expect(bought.body).toEqual({
    status: 'accepted',
    message: 'Webhook received and being processed',
    webhook_id: 1,
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/) as string,
  });
  await answered(page, 202).filter({ hasText: '{"action": "BUY"}' }).waitFor();
  await fills.filter({ hasText: 'BUY 4' }).waitFor();

  // "Partial exit (50% of position)", "Close a long position (full exit)"
  expect((await alert('{"action": "SELL", "comment": "EXIT_50"}')).status).toBe(202);
  await fills.filter({ hasText: 'SELL 2' }).waitFor();
  expect((await alert('{"action": "SELL", "comment": "EXIT_FINAL"}')).status).toBe(202);
  await expect.poll(() => fills.filter({ hasText: 'SELL 2' }).count()).toBe(2);
  await expect.poll(() => answered(page, 202).count()).toBe(3);

  // The log leads to the signal, and the signal to what came of it.
  await logs(page).filter({ hasText: 'EXIT_50' }).getByRole('link').last().click();
  await page.getByRole('heading', { name: /^Signal \d+$/, level: 1 }).waitFor();
  for (const step of ['Received', 'Stored', 'Planned', 'Sent', 'Acknowledged', 'Filled']) {
    await page.getByRole('list', { name: 'Steps' }).getByText(step, { exact: true }).waitFor();
  }
  await page.getByRole('table', { name: 'Fills of ES long' }).getByRole('row').filter({ hasText: 'SELL 2' }).waitFor();

  // "Go to Webhooks → select your webhook → Edit. Enter allowed IPs as a comma-separated list. Save"
  await navigate(page, 'Webhooks');
  await page.getByRole('link', { name: 'ES Long Entry' }).click();
  await page.getByRole('tab', { name: 'Edit' }).click();
  const ips = page.getByRole('textbox', { name: 'Allowed IPs' });
  await ips.fill('52.89.214.238, 34.212.75');
  await expect.poll(() => ips.getAttribute('aria-invalid')).toBe('true');
  await ips.fill('52.89.214.238, 34.212.75.30');
  await expect.poll(() => ips.getAttribute('aria-invalid')).not.toBe('true');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('status').filter({ hasText: 'Saved' }).waitFor();

  // "any request from a non-listed IP will receive 403 Forbidden"
  await page.getByRole('tab', { name: 'Logs' }).click();
  expect((await alert('{"action": "BUY"}')).status).toBe(403);
  const forbidden = answered(page, 403);
  await forbidden.filter({ hasText: 'ip_not_allowed' }).filter({ hasText: '127.0.0.1' }).waitFor();
  await forbidden.getByRole('link', { name: 'ip_not_allowed' }).click();
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.getByText('ip_not_allowed').first().waitFor();
  expect(await fills.count()).toBe(3);

  // "403: IP not in allowlist"; "404: Webhook token is wrong or webhook has been deleted"
  await page.goto('/webhooks/1?tab=edit');
  await page.getByRole('textbox', { name: 'Allowed IPs' }).fill('');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('status').filter({ hasText: 'Saved' }).waitFor();
  expect((await alert('{"action": "BUY", "comment": "ENTRY"}')).status).toBe(202);
  await expect.poll(() => fills.count()).toBe(4);
  await page.getByRole('button', { name: 'Delete ES Long Entry' }).click();
  await page.getByRole('dialog').getByText('404 Not Found').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('No webhook yet').waitFor();
  expect((await alert('{"action": "SELL"}')).status).toBe(404);
});
