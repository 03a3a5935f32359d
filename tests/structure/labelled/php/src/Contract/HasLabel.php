<?php

namespace Acme\Shop\Contract;

interface HasLabel
{
    public function label(): string;
}
