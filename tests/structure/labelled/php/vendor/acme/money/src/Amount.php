<?php

namespace Acme\Money;

class Amount
{
}
