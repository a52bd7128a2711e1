import type { Contact } from '../../api/types'
import { Icon } from '../../part/Icon'
import { Section } from '../../part/Section'
import { useText } from '../../text/text'

/** Whom to ask, and what to have at hand. */
export function ContactCard({ contact, name }: { contact: Contact; name: string }) {
  const { t } = useText()
  return (
    <Section title={t('contact.title')}>
      <div className="card flex flex-col gap-2 p-5">
        <p className="font-700">
          {name} {contact.section}
        </p>
        {contact.phone && (
          <a href={`tel:${contact.phone.replace(/[^\d+]/g, '')}`} className="link flex items-center gap-2 self-start text-18">
            <Icon name="phone" size={18} />
            {contact.phone}
          </a>
        )}
        {contact.mail && (
          <a href={`mailto:${contact.mail}`} className="link flex items-center gap-2 self-start wrap-anywhere">
            <Icon name="mail" size={18} />
            {contact.mail}
          </a>
        )}
        <p className="text-ink-2">{t(contact.phone || contact.mail ? 'contact.how' : 'contact.none')}</p>
      </div>
    </Section>
  )
}
