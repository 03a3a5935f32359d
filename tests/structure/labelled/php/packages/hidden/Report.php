<?php

namespace Acme\Hidden;

use Acme\Money\Amount;
use Acme\Shop\Model\Item;

class Report
{
    public function line(Amount $amount, Item $item): string
    {
        return sprintf('%s %s', $amount->value, Amount::zero()->value);
    }
}
