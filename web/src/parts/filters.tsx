/** Which rows of a list are shown. The choice stands in the page's address: it can be kept, sent and gone back to. */
import { Button, Group, NativeSelect, TextInput } from '@mantine/core';
import { useDebouncedCallback, useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { accountsQuery } from '../api/accounts';
import { strategiesQuery } from '../api/strategies';
import { webhookNamesQuery } from '../api/webhooks';
import { stringifySearch } from '../format/search';
import { fromLocalInput, toLocalInput } from '../format/times';
import type { Change, Search } from './address';

export type Filter = 'webhook_id' | 'strategy_id' | 'broker_account_id' | 'symbol' | 'status' | 'since' | 'until';

interface FiltersProps {
  shown: readonly Filter[];
  /** The values of `status` that there are. */
  statuses?: readonly string[];
  search: Search<Filter>;
  change: (parts: Change<Filter | 'cursor'>) => void;
}

export function Filters({ shown, statuses = [], search, change }: FiltersProps) {
  // Another choice begins at the first page again.
  const choose = (parts: Change<Filter>) => {
    change({ ...parts, cursor: undefined });
  };
  const [opened, { toggle }] = useDisclosure();
  const has = (filter: Filter) => shown.includes(filter);
  const chosen = shown.some((filter) => search[filter] !== undefined);
  return (
    <search>
      <Button aria-expanded={opened} hiddenFrom="sm" mb={opened ? 'xs' : 0} onClick={toggle} size="xs" variant="default">
        {chosen ? 'Filters (in use)' : 'Filters'}
      </Button>
      {/* A telephone shows the rows first. */}
      <Group align="flex-end" gap="xs" {...(!opened && { visibleFrom: 'sm' })}>
        {has('webhook_id') && <OneWebhook choose={choose} value={search.webhook_id} />}
        {has('strategy_id') && <OneStrategy choose={choose} value={search.strategy_id} />}
        {has('broker_account_id') && <OneAccount choose={choose} value={search.broker_account_id} />}
        {has('symbol') && <SymbolField choose={choose} value={search.symbol} />}
        {has('status') && (
          <Choice
            all="Any status"
            choices={statuses.map((status) => ({ value: status, label: status.replace('_', ' ') }))}
            label="Status"
            pick={(status) => {
              choose({ status });
            }}
            value={search.status}
          />
        )}
        {has('since') && <Moment choose={choose} name="since" value={search.since} />}
        {has('until') && <Moment choose={choose} name="until" value={search.until} />}
        {chosen && (
          <Button
            onClick={() => {
              choose(Object.fromEntries(shown.map((filter) => [filter, undefined])));
            }}
            size="xs"
            variant="subtle"
          >
            Clear filters
          </Button>
        )}
      </Group>
    </search>
  );
}

interface ChoiceProps {
  label: string;
  all: string;
  choices: readonly { value: string; label: string }[];
  value: string | undefined;
  pick: (value: string | undefined) => void;
}

function Choice({ label, all, choices, value, pick }: ChoiceProps) {
  // What was chosen long ago may be deleted, or beyond what is listed: it is chosen all the same.
  const isListed = value === undefined || choices.some((choice) => choice.value === value);
  const unlisted = isListed ? [] : [{ value, label: `#${value}` }];
  return (
    <NativeSelect
      data={[{ value: '', label: all }, ...unlisted, ...choices]}
      label={label}
      onChange={(event) => {
        pick(event.currentTarget.value);
      }}
      size="xs"
      value={value ?? ''}
    />
  );
}

interface OneProps {
  value: string | undefined;
  choose: (parts: Change<Filter>) => void;
}

/** What is typed reaches the address a moment later. What changes the address otherwise, Back for example, is shown. */
function SymbolField({ value, choose }: OneProps) {
  const [text, setText] = useState(value ?? '');
  const [known, setKnown] = useState(value);
  const [sent, setSent] = useState(value);
  const send = useDebouncedCallback((typed: string) => {
    const symbol = typed.trim() || undefined;
    setSent(symbol);
    choose({ symbol });
  }, 300);
  if (value !== known) {
    setKnown(value);
    if (value !== sent) {
      setSent(value);
      setText(value ?? '');
    }
  }
  return (
    <TextInput
      label="Symbol"
      onBlur={send.flush}
      onChange={(event) => {
        setText(event.currentTarget.value);
        send(event.currentTarget.value);
      }}
      size="xs"
      value={text}
      w={110}
    />
  );
}

function OneWebhook({ value, choose }: OneProps) {
  const webhooks = useQuery(webhookNamesQuery).data ?? [];
  const choices = webhooks.map(({ id, name }) => ({ value: String(id), label: name }));
  const pick = (id: string | undefined) => {
    choose({ webhook_id: id });
  };
  return <Choice all="All webhooks" choices={choices} label="Webhook" pick={pick} value={value} />;
}

function OneStrategy({ value, choose }: OneProps) {
  const strategies = useQuery(strategiesQuery).data?.items ?? [];
  const choices = strategies.map(({ id, name }) => ({ value: String(id), label: name }));
  const pick = (id: string | undefined) => {
    choose({ strategy_id: id });
  };
  return <Choice all="All strategies" choices={choices} label="Strategy" pick={pick} value={value} />;
}

function OneAccount({ value, choose }: OneProps) {
  const accounts = useQuery(accountsQuery).data?.items ?? [];
  const choices = accounts.map(({ id, label }) => ({ value: String(id), label }));
  const pick = (id: string | undefined) => {
    choose({ broker_account_id: id });
  };
  return <Choice all="All accounts" choices={choices} label="Broker account" pick={pick} value={value} />;
}

function Moment({ name, value, choose }: OneProps & { name: 'since' | 'until' }) {
  return (
    <TextInput
      label={name === 'since' ? 'From (local time)' : 'To (local time)'}
      onChange={(event) => {
        choose({ [name]: fromLocalInput(event.currentTarget.value) });
      }}
      size="xs"
      type="datetime-local"
      value={toLocalInput(value)}
    />
  );
}

/** The address's choices as the API takes them. What the API does not know, it refuses in its own words. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller says which list's
export function asFilter<ApiFilter>(search: Search<Filter | 'sort' | 'cursor'>): ApiFilter {
  return search as ApiFilter;
}

/** The same list as a file for a spreadsheet. */
export function CsvLink({ list, search }: { list: string; search: Search<Filter | 'sort'> }) {
  return (
    <Button component="a" download href={`/api/v1/${list}.csv${stringifySearch(search)}`} size="xs" variant="default">
      Export CSV
    </Button>
  );
}
