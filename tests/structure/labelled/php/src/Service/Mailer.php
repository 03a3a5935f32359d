<?php

namespace Acme\Shop\Service;

use Acme\Shop\Legacy\Registry;

class Mailer
{
    public function send(string $to): void
    {
        $template = new \Acme_Template_Engine();
        $template->render(__DIR__ . '/../../templates/mail.phtml', ['to' => $to]);
        include dirname(__DIR__, 2) . '/templates/mail.phtml';
        Registry::set('last', $to);
        \Acme_Template_Old::touch();
        (new Exception('unknown here'))->getCode();
    }
}
