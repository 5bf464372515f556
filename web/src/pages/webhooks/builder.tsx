/** Writes the message that goes into an alert, and sends it as a test. */
import { List as Steps, NativeSelect, SegmentedControl, SimpleGrid, Stack, Switch, TextInput } from '@mantine/core';
import { useState } from 'react';

import type { Schemas } from '../../api/client';
import { type Purpose, type Wish, messageOf, percentFault } from '../../format/alert';
import { CopyField } from '../../parts/copy_field';
import { Section } from '../../parts/section';
import { SendTest } from './send';

const PINE = `//@version=6
strategy("My Strategy", overlay = true)

fast = ta.sma(close, 20)
slow = ta.sma(close, 50)

if ta.crossover(fast, slow)
    strategy.entry("Long", strategy.long, comment = "ENTRY")
if ta.crossunder(fast, slow)
    strategy.close("Long", comment = "EXIT_FINAL")`;

const PURPOSES = [
  { value: 'none', label: 'No comment: BUY opens, SELL closes all' },
  { value: 'entry', label: 'A new entry' },
  { value: 'part', label: 'Close a part of the position' },
  { value: 'final', label: 'Close all of the position' },
];

export function AlertBuilder({ webhook }: { webhook: Schemas['Webhook'] }) {
  const [wish, setWish] = useState<Wish>({ kind: 'plain', action: 'BUY', purpose: 'none', percent: '50', price: false });
  const change = (part: Partial<Wish>) => {
    setWish({ ...wish, ...part });
  };
  const message = messageOf(wish);
  const fault = wish.kind === 'plain' && wish.purpose === 'part' ? percentFault(wish.percent) : undefined;
  return (
    <>
      <Section title="Alert builder">
        <Stack maw={720}>
          <SegmentedControl
            aria-label="Kind of alert"
            data={[
              { value: 'plain', label: 'An alert on a condition' },
              { value: 'strategy', label: 'A Pine strategy' },
            ]}
            onChange={(kind) => {
              change({ kind: kind });
            }}
            value={wish.kind}
          />
          {wish.kind === 'plain' && <PlainChoices change={change} fault={fault} wish={wish} />}
          <Switch
            checked={wish.price}
            description="Slippage is measured against it, and the paper broker fills at it."
            label="Send the price along"
            onChange={(event) => {
              change({ price: event.currentTarget.checked });
            }}
          />
          {fault === undefined && <CopyField label="Message" value={message} />}
          <Steps size="sm" type="ordered">
            <Steps.Item>Open your chart in TradingView and click Alert, or press Alt+A.</Steps.Item>
            <Steps.Item>Set your condition{wish.kind === 'strategy' && ': the strategy itself'}.</Steps.Item>
            <Steps.Item>Under Notifications, check Webhook URL and paste the full URL, ?secret= included.</Steps.Item>
            <Steps.Item>Paste the message into the Message field.</Steps.Item>
          </Steps>
          {wish.kind === 'strategy' && <CopyField label="A Pine strategy that goes with it" rows={11} value={PINE} />}
        </Stack>
      </Section>
      {fault === undefined && <SendTest message={message} webhook={webhook} />}
    </>
  );
}

interface PlainChoicesProps {
  wish: Wish;
  fault: string | undefined;
  change: (part: Partial<Wish>) => void;
}

function PlainChoices({ wish, fault, change }: PlainChoicesProps) {
  return (
    <SimpleGrid cols={{ base: 1, xs: wish.purpose === 'part' ? 3 : 2 }}>
      <NativeSelect
        data={['BUY', 'SELL']}
        label="Action"
        onChange={(event) => {
          change({ action: event.currentTarget.value as Wish['action'] });
        }}
        value={wish.action}
      />
      <NativeSelect
        data={PURPOSES}
        label="What for"
        onChange={(event) => {
          change({ purpose: event.currentTarget.value as Purpose });
        }}
        value={wish.purpose}
      />
      {wish.purpose === 'part' && (
        <TextInput
          description="Rounded up to whole lots"
          inputMode="decimal"
          error={fault}
          inputWrapperOrder={['label', 'input', 'description', 'error']}
          label="Percent of the position"
          onChange={(event) => {
            change({ percent: event.currentTarget.value });
          }}
          value={wish.percent}
        />
      )}
    </SimpleGrid>
  );
}
