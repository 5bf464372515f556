/** A button whose act is not taken back: it says first what will happen. */
import { Button, type ButtonProps, Group, Modal, Stack } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMutation } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { Refusal } from './state';

interface Act {
  /** On the button that does it. */
  confirm: string;
  act: () => Promise<unknown>;
  /** What will happen. */
  children: ReactNode;
}

interface ConfirmProps extends Act, Pick<ButtonProps, 'size' | 'variant' | 'disabled'> {
  /** On the button that asks, and the heading of the question. */
  label: string;
  /** Distinguishes the button from its like in other rows. */
  about?: string;
}

export function Confirm({ label, about, confirm, act, children, ...button }: ConfirmProps) {
  const [asking, { open, close }] = useDisclosure();
  const name = about === undefined ? label : `${label} ${about}`;
  return (
    <>
      <Button aria-label={name} color="red" onClick={open} size="xs" variant="default" {...button}>
        {label}
      </Button>
      <Question act={act} asking={asking} close={close} confirm={confirm} title={name}>
        {children}
      </Question>
    </>
  );
}

interface QuestionProps extends Act {
  title: string;
  asking: boolean;
  close: () => void;
}

/** The question alone, where something else than a button asks it. */
export function Question({ asking, close, title, confirm, act, children }: QuestionProps) {
  const doing = useMutation({ mutationFn: act, onSuccess: close });
  return (
    <Modal onClose={close} onExitTransitionEnd={doing.reset} opened={asking} title={title}>
      <Stack>
        <div>{children}</div>
        {doing.error !== null && <Refusal error={doing.error} />}
        <Group justify="flex-end">
          <Button onClick={close} variant="default">
            Back
          </Button>
          <Button
            color="red.9"
            loading={doing.isPending}
            onClick={() => {
              doing.mutate();
            }}
          >
            {confirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
