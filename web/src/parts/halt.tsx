/** Stopping the trading of a broker account or a strategy, and letting it trade again. */
import { Button, Group, Modal, Radio, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { type Schemas, api, got } from '../api/client';
import { haltsQuery } from '../api/halts';
import { Confirm } from './confirm';
import { atFields } from './form';
import { Refusal } from './state';

interface Halted {
  scope: 'account' | 'strategy';
  id: number;
  name: string;
}

/** Halts it, or lifts the halt that it is under. */
export function HaltSwitch({ scope, id, name }: Halted) {
  const halts = useQuery(haltsQuery).data?.items;
  const halt = halts?.find((one) => one.scope === scope && one.target_id === id);
  return halt === undefined ? <DeclareHalt id={id} name={name} scope={scope} /> : <LiftHalt halt={halt} />;
}

export function LiftHalt({ halt }: { halt: Schemas['Halt'] }) {
  const queries = useQueryClient();
  const lift = async () => {
    await got(api.DELETE('/api/v1/halts/{id}', { params: { path: { id: halt.id } } }));
    await queries.invalidateQueries({ queryKey: ['halts'] });
  };
  return (
    <Confirm act={lift} confirm="Lift the halt" label="Lift">
      Alerts trade again from now on. Those that were refused meanwhile are not made up for.
    </Confirm>
  );
}

function DeclareHalt(halted: Halted) {
  const [asking, { open, close }] = useDisclosure();
  return (
    <>
      <Button aria-label={`Halt ${halted.name}`} onClick={open} size="xs" variant="default">
        Halt
      </Button>
      <Modal onClose={close} opened={asking} title={`Halt ${halted.name}`}>
        <HaltForm close={close} {...halted} />
      </Modal>
    </>
  );
}

function HaltForm({ scope, id, close }: Halted & { close: () => void }) {
  const queries = useQueryClient();
  const form = useForm({ mode: 'uncontrolled', initialValues: { mode: 'entries', reason: '' } });
  const halt = useMutation({
    mutationFn: ({ mode, reason }: { mode: string; reason: string }) =>
      got(api.POST('/api/v1/halts', { body: { scope, id, mode: mode as Schemas['HaltMode'], reason } })),
    onSuccess: async () => {
      close();
      await queries.invalidateQueries({ queryKey: ['halts'] });
    },
    onError: atFields(form),
  });
  return (
    <form
      onSubmit={form.onSubmit((values) => {
        halt.mutate(values);
      })}
    >
      <Stack>
        <Radio.Group key={form.key('mode')} label="What stops" {...form.getInputProps('mode')}>
          <Stack gap="xs" mt="xs">
            <Radio description="Nothing opens or grows a position. Exits still run." label="Entries" value="entries" />
            <Radio
              description="No order leaves. Exits and flattening are refused too, and positions stay as they are."
              label="Everything"
              value="all"
            />
          </Stack>
        </Radio.Group>
        <TextInput
          description="Every order that is refused because of the halt says so."
          key={form.key('reason')}
          label="Reason"
          maxLength={500}
          required
          {...form.getInputProps('reason')}
        />
        {halt.error !== null && <Refusal error={halt.error} />}
        <Group justify="flex-end">
          <Button onClick={close} variant="default">
            Back
          </Button>
          <Button color="red.9" loading={halt.isPending} type="submit">
            Halt
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
