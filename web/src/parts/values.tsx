/** How values look wherever they stand. */
import { Badge, Text } from '@mantine/core';
import type { ReactNode } from 'react';

import type { Schemas } from '../api/client';
import { grouped, money, signOf } from '../format/decimals';
import { To } from './to';

/** A profit or a loss: its sign says it, its colour repeats it. To the cent; exactly on hovering. */
export function Profit({ amount, currency }: { amount: string | null | undefined; currency?: string | null | undefined }) {
  if (amount == null) {
    return '–';
  }
  const shade = { '-1': 'loss', '0': undefined, '1': 'profit' }[signOf(amount)];
  return (
    <span className={shade} title={grouped(amount)}>
      {money(amount, true)}
      {currency != null && ` ${currency}`}
    </span>
  );
}

/** A quantity or a price, just as exact as it came. */
export function Figure({ value }: { value: string | null | undefined }) {
  return value == null ? '–' : grouped(value);
}

export function SideText({ side }: { side: 'buy' | 'sell' | Schemas['PositionSide'] }) {
  const shade = { buy: '--buy', long: '--buy', sell: '--sell', short: '--sell', flat: '--mantine-color-text' }[side];
  return (
    <Text c={`var(${shade})`} fw={600} inherit span>
      {side.toUpperCase()}
    </Text>
  );
}

/** Money that is real looks like nothing else on the page. */
export function EnvironmentBadge({ environment }: { environment: Schemas['Environment'] }) {
  return environment === 'live' ? (
    <Badge className="live" variant="filled">
      Live
    </Badge>
  ) : (
    <Badge className="practice" variant="outline">
      {environment}
    </Badge>
  );
}

type Status = Schemas['OutcomeStatus'] | Schemas['OrderStatus'] | Schemas['AccountState'];

const MOODS: Readonly<Record<Status, 'good' | 'bad' | 'open' | 'calm'>> = {
  filled: 'good',
  ready: 'good',
  partly_filled: 'open',
  partially_filled: 'open',
  pending: 'open',
  working: 'open',
  connecting: 'open',
  skipped: 'calm',
  canceled: 'calm',
  expired: 'calm',
  denied: 'bad',
  rejected: 'bad',
  unknown: 'bad',
  books_differ: 'bad',
  disconnected: 'bad',
};

export function StatusBadge({ status }: { status: Status }) {
  return (
    <Badge className={`status ${MOODS[status]}`} variant="light">
      {status.replace('_', ' ')}
    </Badge>
  );
}

/** Why something is so: the sentence, and its code as the way to what it means and what to do. */
export function Reason({ code, children }: { code: string; children?: ReactNode }) {
  return (
    <>
      {children}
      {children !== undefined && ' '}
      <To ff="monospace" inherit size="xs" to={`/help/${code}`}>
        {code}
      </To>
    </>
  );
}
