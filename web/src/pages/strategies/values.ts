/** What the editor of a strategy holds while it is being written, and what is sent of it. */
import type { UseFormReturnType } from '@mantine/form';

import type { Schemas } from '../../api/client';

export interface EditorValues {
  name: string;
  webhook_id: string | null;
  broker_account_id: string | null;
  symbol: string;
  quantity: string;
  /** Empty for the same as the quantity. */
  max_position: string;
  on_opposite_entry: Schemas['OnOppositeEntry'];
  bare_sell_opens_short: boolean;
  max_signal_age_s: number | string;
  active: boolean;
}

export type EditorForm = UseFormReturnType<EditorValues>;

/** A new strategy as it is until the trader says otherwise: the program's own defaults. */
export function blank(webhook: string | null, account: string | null): EditorValues {
  return {
    name: '',
    webhook_id: webhook,
    broker_account_id: account,
    symbol: '',
    quantity: '1',
    max_position: '',
    on_opposite_entry: 'exit',
    bare_sell_opens_short: false,
    max_signal_age_s: 30,
    active: true,
  };
}

export function valuesOf(strategy: Schemas['Strategy']): EditorValues {
  const { webhook_id, broker_account_id, max_position: limit, quantity } = strategy;
  return {
    ...strategy,
    webhook_id: String(webhook_id),
    broker_account_id: String(broker_account_id),
    max_position: limit === quantity ? '' : limit,
  };
}

function behaviorOf(values: EditorValues) {
  const quantity = values.quantity.trim();
  return {
    name: values.name,
    quantity,
    max_position: values.max_position.trim() || quantity,
    on_opposite_entry: values.on_opposite_entry,
    bare_sell_opens_short: values.bare_sell_opens_short,
    max_signal_age_s: Number(values.max_signal_age_s),
  };
}

export function created(values: EditorValues): Schemas['CreateStrategy'] {
  return {
    ...behaviorOf(values),
    webhook_id: Number(values.webhook_id),
    broker_account_id: Number(values.broker_account_id),
    symbol: values.symbol.trim(),
    active: values.active,
  };
}

/** The webhook is named only where it changes: the one it had may be deleted. */
export function updated(values: EditorValues, before: Schemas['Strategy']): Schemas['UpdateStrategy'] {
  const webhook = Number(values.webhook_id);
  return { ...behaviorOf(values), ...(webhook !== before.webhook_id && { webhook_id: webhook }) };
}
