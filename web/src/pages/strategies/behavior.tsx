/** How a strategy behaves where more than one way makes sense. Each example is what the program does, word for word. */
import { NumberInput, Radio, Stack, Switch, Text, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';

import type { EditorForm } from './values';

/** A sentence on what a setting does, and a case of it. */
function Explained({ example, children }: { example: string; children: string }) {
  return (
    <>
      {children}{' '}
      <Text component="span" fs="italic" inherit>
        Example: {example}
      </Text>
    </>
  );
}

const order: ('label' | 'input' | 'description' | 'error')[] = ['label', 'input', 'description', 'error'];

export function Size({ form }: { form: EditorForm }): ReactNode {
  return (
    <>
      <TextInput
        description={
          <Explained example="with 2, a BUY alert buys 2, whatever quantity the alert names.">
            How much one entry trades: a multiple of the lot.
          </Explained>
        }
        inputMode="decimal"
        inputWrapperOrder={order}
        key={form.key('quantity')}
        label="Quantity"
        required
        {...form.getInputProps('quantity')}
      />
      <TextInput
        description={
          <Explained example="quantity 2 and limit 5: three BUY alerts buy 2, 2 and 1; the fourth is skipped.">
            The largest position, long or short. Left empty it is the quantity, so that nothing is added to a position.
          </Explained>
        }
        inputMode="decimal"
        inputWrapperOrder={order}
        key={form.key('max_position')}
        label="Position limit"
        placeholder="Same as the quantity"
        {...form.getInputProps('max_position')}
      />
    </>
  );
}

export function Behavior({ form }: { form: EditorForm }): ReactNode {
  return (
    <>
      <Radio.Group
        description="What an alert with the comment ENTRY does to a position that points the other way."
        key={form.key('on_opposite_entry')}
        label="Opposite entry"
        {...form.getInputProps('on_opposite_entry')}
      >
        <Stack gap="xs" mt="xs">
          <Radio
            description="Example: long 2, then SELL with ENTRY: sells 2 and is flat."
            label="Exit: close the position, never flip it"
            value="exit"
          />
          <Radio
            description="Example: long 2, then SELL with ENTRY: sells 2, waits for the fill, then sells the quantity again and is short."
            label="Reverse: close the position, then enter the other way"
            value="reverse"
          />
        </Stack>
      </Radio.Group>
      <Switch
        description={
          <Explained example="flat, then SELL without a comment: on, it opens a short of the quantity; off, it is skipped, because there is nothing to exit.">
            Whether a SELL that does not say ENTRY may open a short. When long, it closes the position either way.
          </Explained>
        }
        key={form.key('bare_sell_opens_short')}
        label="A SELL without a comment opens a short"
        {...form.getInputProps('bare_sell_opens_short', { type: 'checkbox' })}
      />
      <NumberInput
        allowDecimal={false}
        description={
          <Explained example="with 30, a BUY that waited a minute for a lost connection is not sent; an exit that waited is.">
            An entry is sent only while its alert is at most this old, 1 to 3600 seconds. Exits are never too old.
          </Explained>
        }
        inputWrapperOrder={order}
        key={form.key('max_signal_age_s')}
        label="Oldest alert"
        max={3600}
        min={1}
        required
        suffix=" s"
        {...form.getInputProps('max_signal_age_s')}
      />
    </>
  );
}
