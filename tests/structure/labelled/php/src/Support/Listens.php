<?php

namespace Acme\Shop\Support;

use Psr\Log\LoggerInterface as Logger;

trait Listens
{
    private ?Logger $logger = null;

    private function changed(): void
    {
        $this->logger?->debug(describe($this));
    }
}
