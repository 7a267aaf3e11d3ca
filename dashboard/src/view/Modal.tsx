import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";

interface Props {
  title: string;
  testId: string;
  onClose: () => void;
  children: ComponentChildren;
}

/**
 * The browser's own modal dialog: it traps the focus and closes on Escape; the focus returns to where it was.
 * It is open for as long as it is rendered.
 */
export function Modal({ title, testId, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();

  // A layout effect: its end comes while the dialog is still in the document.
  useLayoutEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      // Nothing behind an open modal dialog takes the focus, so it is closed first.
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);

  return (
    <dialog
      ref={dialog}
      class="modal"
      data-testid={testId}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
    >
      <div class="modal__body">
        <h2 id={heading} class="modal__title">
          {title}
        </h2>
        {children}
      </div>
    </dialog>
  );
}
