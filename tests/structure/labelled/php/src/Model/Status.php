<?php

namespace Acme\Shop\Model;

use Acme\Shop\Contract;

enum Status: string implements Contract\HasLabel
{
    case Draft = 'draft';
    case Sold = 'sold';

    public function label(): string
    {
        return ucfirst($this->value);
    }
}
