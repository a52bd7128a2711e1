import type { ReactNode } from 'react'
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components'
import { useText } from '../text/text'
import { Icon } from './Icon'

interface Props {
  title: string
  open: boolean
  onClose: () => void
  children: ReactNode
  wide?: boolean
}

/** A question in front of the page. Esc and the corner close it; focus returns to where it was. */
export function Dialog({ title, open, onClose, children, wide = false }: Props) {
  const { t } = useText()
  return (
    <ModalOverlay
      isOpen={open}
      onOpenChange={(on) => !on && onClose()}
      isDismissable
      className="fixed inset-0 z-40 flex items-center justify-center overflow-y-auto bg-black/50 p-4 max-md:items-end max-md:p-0"
    >
      <Modal
        className={`max-h-full w-full overflow-y-auto rounded-12 bg-white shadow-3 max-md:rounded-b-none ${wide ? 'max-w-[860px]' : 'max-w-[560px]'}`}
      >
        <AriaDialog className="flex flex-col gap-5 p-6 outline-none max-md:p-4">
          <div className="flex items-start justify-between gap-4">
            <Heading slot="title" className="text-20 font-700">
              {title}
            </Heading>
            <button
              type="button"
              onClick={onClose}
              aria-label={t('action.close')}
              className="-m-2 flex size-11 items-center justify-center rounded-8 hover:bg-side"
            >
              <Icon name="close" />
            </button>
          </div>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  )
}
