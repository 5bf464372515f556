/** Finding what to trade among what a broker knows, with the rules of its orders. */
import { Autocomplete, type AutocompleteProps, Group, Text } from '@mantine/core';
import { useDebouncedValue, useUncontrolled } from '@mantine/hooks';
import { type KeyboardEvent, useState } from 'react';
import { keepPreviousData, queryOptions, useQuery } from '@tanstack/react-query';

import { type Schemas, api, got } from '../api/client';
import { grouped } from '../format/decimals';

/** Few enough to see at once, without scrolling. */
const FOUND = 8;

/** Asked of the account's own broker where there is an account: many show their list to customers only. */
const instrumentsQuery = (account: number | undefined, query: string) =>
  queryOptions({
    queryKey: ['instruments', account, query],
    staleTime: Infinity,
    placeholderData: keepPreviousData,
    queryFn: () => got(api.GET('/api/v1/instruments', { params: { query: { query, limit: FOUND, ...(account !== undefined && { broker_account_id: account }) } } })),
  });

type Inherited = 'label' | 'required' | 'error' | 'onFocus' | 'onBlur' | 'disabled';

interface SymbolSearchProps extends Pick<AutocompleteProps, Inherited> {
  /** The account that will trade it. */
  account?: number | undefined;
  value?: string;
  defaultValue?: string;
  onChange?: (symbol: string) => void;
}

/** Any symbol may be written; the list helps to find one and shows its rules. */
export function SymbolSearch({ account, value, defaultValue, onChange, ...input }: SymbolSearchProps) {
  const [text, setText] = useUncontrolled<string>({
    finalValue: '',
    ...(value !== undefined && { value }),
    ...(defaultValue !== undefined && { defaultValue }),
    ...(onChange !== undefined && { onChange }),
  });
  // The library goes on naming the option that was reached by the arrow keys, also when typing made it another's or none.
  const [reached, setReached] = useState(false);
  const note = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      setReached(true);
    }
  };
  const write = (symbol: string) => {
    setReached(false);
    setText(symbol);
  };
  const written = text.trim().toUpperCase();
  const [query] = useDebouncedValue(written, 150);
  const instruments = useQuery(instrumentsQuery(account, query));
  const found = instruments.data?.items ?? [];
  const chosen = found.find((one) => one.symbol === written);
  const settled = query === written && !instruments.isFetching && instruments.isSuccess;
  return (
    <Autocomplete
      {...(!reached && { attributes: { input: { 'aria-activedescendant': undefined } } })}
      comboboxProps={{ shadow: 'md', withinPortal: false }}
      data={found.map((one) => one.symbol)}
      description={<Rules chosen={chosen} unknown={settled && written !== ''} />}
      filter={({ options }) => options}
      inputWrapperOrder={['label', 'input', 'description', 'error']}
      label="Symbol"
      onChange={write}
      onKeyDown={note}
      placeholder="ES, AAPL, BTC/USD …"
      renderOption={({ option }) => <Option instrument={found.find((one) => one.symbol === option.value)} />}
      value={text}
      withScrollArea={false}
      {...input}
    />
  );
}

function Option({ instrument }: { instrument: Schemas['Instrument'] | undefined }) {
  if (instrument === undefined) {
    return null;
  }
  return (
    <div>
      <Group gap="xs">
        <Text fw={600} size="sm">
          {instrument.symbol}
        </Text>
        <Text size="sm">{instrument.name}</Text>
      </Group>
      <Text size="xs">
        {rulesOf(instrument)}
      </Text>
    </div>
  );
}

function Rules({ chosen, unknown }: { chosen: Schemas['Instrument'] | undefined; unknown: boolean }) {
  if (chosen !== undefined) {
    return `${chosen.name}. ${rulesOf(chosen)}`;
  }
  return unknown
    ? 'Not in the broker’s list. You can still use it: what rules then apply is shown when it is saved.'
    : 'Search by symbol or name.';
}

function rulesOf(instrument: Schemas['Instrument']): string {
  const { contract, exchange, currency, tick_size: tick, multiplier, lot_size: lot } = instrument;
  const front = contract == null ? '' : `trades ${contract} now · `;
  return `${front}${exchange} · tick ${grouped(tick)} · ${grouped(multiplier)} ${currency} a point · lot ${grouped(lot)}`;
}
